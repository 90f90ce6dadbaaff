#!/usr/bin/env perl
# A service manager with socket activation, as small as can be: it listens, and gives the socket to each process that it
# starts, as sd_listen_fds(3) says.  Perl, because node accepts on every socket that it holds.
#
# Usage: socket_manager.pl PROGRAM.  Prints "port N"; to "start" on its input it answers "started PID", to "stop" it sends
# SIGTERM and answers "ended STATUS".  At the end of its input it kills what runs.
use strict;
use warnings;
use IO::Socket::INET;
use Fcntl qw(F_SETFD);
use POSIX qw(dup2);

$| = 1;
my ($program) = @ARGV;
my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 512) or die "cannot listen: $!";
my $pid;
print 'port ', $socket->sockport, "\n";
while (my $order = <STDIN>) {
    if ($order eq "start\n") {
        defined($pid = fork) or die "cannot fork: $!";
        if (!$pid) {
            dup2(fileno $socket, 3) or die "cannot hand the socket over: $!" if fileno $socket != 3;
            open my $inherited, '<&=', 3 or die "no descriptor 3: $!";
            fcntl $inherited, F_SETFD, 0; # it outlives exec
            @ENV{qw(LISTEN_FDS LISTEN_PID)} = (1, $$);
            exec $program or die "cannot start $program: $!";
        }
        print "started $pid\n";
    } elsif ($order eq "stop\n") {
        kill TERM => $pid;
        waitpid $pid, 0;
        print "ended $?\n";
        undef $pid;
    }
}
kill KILL => $pid if $pid;
