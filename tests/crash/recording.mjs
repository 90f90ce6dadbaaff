// Goes through what strace saw of an ingress, life after life, and does to a Disk what the process
// did to its files; on the way it reads, off the process's own sockets, what was promised to whom.

import { posix } from 'node:path';
import { decode } from '@msgpack/msgpack';
import { parseTrace, traceArguments } from '../harness/syscalls.mjs';

const FILE_CALLS = [
  'openat',
  'close',
  'write',
  'pwrite64',
  'pwritev',
  'ftruncate',
  'fsync',
  'fdatasync',
  'mkdir',
  'mkdirat',
  'linkat',
  'renameat',
  'unlinkat',
];
const SOCKET_CALLS = ['accept4', 'recvfrom', 'sendto', 'sendmsg'];
// What would change files in a way that is not followed here.
const STRANGE_CALLS = [
  'creat',
  'open',
  'openat2',
  'writev',
  'pwritev2',
  'truncate',
  'fallocate',
  'copy_file_range',
  'sendfile',
  'splice',
  'sync',
  'syncfs',
  'sync_file_range',
  'rename',
  'renameat2',
  'link',
  'symlink',
  'symlinkat',
  'unlink',
  'rmdir',
  'dup',
  'dup2',
  'dup3',
  'io_uring_setup',
];

/** Arguments for strace whose output followLife can follow; `faults` as for its option inject. */
export function recordingArguments(path, faults = []) {
  return traceArguments(path, {
    calls: [...FILE_CALLS, ...SOCKET_CALLS, ...STRANGE_CALLS],
    more: ['-xx', ...faults.flatMap((fault) => ['-e', `inject=${fault}`])],
  });
}

const TEXT = /"((?:\\x[0-9a-f]{2})*)"/g;
const textsOf = (text) =>
  [...text.matchAll(TEXT)].map(([, hex]) => Buffer.from(hex.replaceAll('\\x', ''), 'hex'));
const wordsOf = (text) => text.split(', ');
const descriptorOf = (text) => parseInt(text, 10);

/** What one process does to a disk. `root` is the path that the disk's root stands for. */
class Process {
  constructor(disk, root) {
    Object.assign(this, { disk, root, descriptors: new Map(), syncs: new Map() });
  }

  // The path below the root, or null for one that is elsewhere.
  resolve(at, name) {
    const from = at === 'AT_FDCWD' ? '/' : this.descriptors.get(Number(at))?.path;
    if (from === undefined) return null;
    const path = posix.resolve(from, name);
    return path === this.root || path.startsWith(`${this.root}/`) ? path : null;
  }

  node(path) {
    return this.disk.find(path.slice(this.root.length));
  }

  place(path) {
    return [this.node(posix.dirname(path)), posix.basename(path)];
  }

  openat({ text, result }) {
    const [at, , flags] = wordsOf(text);
    const path = this.resolve(at, textsOf(text)[0].toString());
    this.descriptors.delete(result);
    if (path === null) return;
    if (/O_D?SYNC/.test(flags)) throw new Error(`not followed: ${flags}`);
    let node = this.node(path);
    if (flags.includes('O_TMPFILE')) node = this.disk.makeFile();
    else if (!node && flags.includes('O_CREAT')) {
      node = this.disk.makeFile();
      this.disk.change({ added: [[...this.place(path), node]] });
    } else if (flags.includes('O_TRUNC')) this.disk.truncate(node, 0);
    if (!node) throw new Error(`${path} was opened, and is not there`);
    this.descriptors.set(result, { node, path });
  }

  write({ text }) {
    if (this.nodeOf(text)) throw new Error('not followed: write without an offset');
  }

  nodeOf(text) {
    return this.descriptors.get(descriptorOf(text))?.node;
  }

  pwrite64({ text, result }) {
    const node = this.nodeOf(text);
    const offset = Number(wordsOf(text).at(-1));
    if (node) this.disk.write(node, offset, Buffer.concat(textsOf(text)).subarray(0, result));
  }

  pwritev(call) {
    this.pwrite64(call);
  }

  ftruncate({ text }) {
    if (this.nodeOf(text)) this.disk.truncate(this.nodeOf(text), Number(wordsOf(text)[1]));
  }

  fdatasync({ text, pid }) {
    if (this.nodeOf(text)) this.disk.sync(this.nodeOf(text), this.syncs.get(pid));
  }

  fsync(call) {
    this.fdatasync(call);
  }

  mkdirat({ text }, at = wordsOf(text)[0]) {
    const path = this.resolve(at, textsOf(text)[0].toString());
    if (path) this.disk.change({ added: [[...this.place(path), this.disk.makeDirectory()]] });
  }

  mkdir(call) {
    this.mkdirat(call, 'AT_FDCWD');
  }

  linkat({ text }) {
    const [fromAt, , toAt] = wordsOf(text);
    const [from, to] = textsOf(text).map(String);
    const own = /^\/proc\/self\/fd\/(\d+)$/.exec(from);
    const node = own ? this.nodeOf(own[1]) : this.node(this.resolve(fromAt, from));
    if (!node) throw new Error(`${from} was linked, and is not there`);
    this.disk.change({ added: [[...this.place(this.resolve(toAt, to)), node]] });
  }

  renameat({ text }) {
    const [fromAt, , toAt] = wordsOf(text);
    const [from, to] = textsOf(text).map(String);
    const old = this.place(this.resolve(fromAt, from));
    const node = this.node(this.resolve(fromAt, from));
    if (!node) throw new Error(`${from} was renamed, and is not there`);
    this.disk.change({
      removed: [old],
      added: [[...this.place(this.resolve(toAt, to)), node]],
    });
  }

  unlinkat({ text }) {
    const path = this.resolve(wordsOf(text)[0], textsOf(text)[0].toString());
    if (path) this.disk.change({ removed: [this.place(path)] });
  }
}

/** One connection: hands on what was said. */
class Connection {
  constructor(promise) {
    Object.assign(this, { promise, heard: '', sides: { in: new Frames(), out: new Frames() } });
  }

  says(side, bytes) {
    this.zeromq ??= bytes[0] === 0xff;
    if (this.zeromq) {
      this.sides[side].add(bytes).forEach((frame) => this.promise(side, decode(frame)));
    } else if (side === 'in') {
      this.heard += bytes.toString('latin1');
    } else if (bytes.toString('latin1').startsWith('HTTP/1.1')) {
      const [, status] = bytes.toString('latin1').split(' ');
      const [conversation] = /conv_\w+/.exec(this.heard) ?? [];
      this.heard = '';
      if (conversation) this.promise(side, { type: 'answer', status, conversation });
    }
  }
}

/** The first frames of the messages in a ZMTP 3 stream. https://rfc.zeromq.org/spec/23/ */
class Frames {
  constructor() {
    Object.assign(this, { bytes: Buffer.alloc(0), greeted: false, inside: false });
  }

  add(more) {
    const first = [];
    this.bytes = Buffer.concat([this.bytes, more]);
    if (!this.greeted && this.bytes.length >= 64) {
      this.bytes = this.bytes.subarray(64);
      this.greeted = true;
    }
    for (let frame = this.greeted && this.next(); frame; frame = this.next()) {
      if (!frame.command && !this.inside) first.push(frame.bytes);
      if (!frame.command) this.inside = frame.more;
    }
    return first;
  }

  next() {
    const [flags] = this.bytes;
    const head = flags & 2 ? 9 : 2;
    if (this.bytes.length < head) return null;
    const length = flags & 2 ? Number(this.bytes.readBigUInt64BE(1)) : this.bytes[1];
    if (this.bytes.length < head + length) return null;
    const bytes = this.bytes.subarray(head, head + length);
    this.bytes = this.bytes.subarray(head + length);
    return { bytes, more: Boolean(flags & 1), command: Boolean(flags & 4) };
  }
}

/**
 * Follows the process whose trace stands at `path`. Calls `cut(what)` wherever the power may fail:
 * after each call that changed something, and when something was promised, after
 * `promise(side, message)` was told: an {type: 'answer', status, conversation} or a message of the
 * work protocol. Returns the calls that a killed process never came back from: {name, path}.
 */
export function followLife(path, { disk, root, promise, cut }) {
  const process = new Process(disk, root);
  const connections = new Map();
  const underway = new Map();
  const forget = (descriptor) => {
    process.descriptors.delete(descriptor);
    connections.delete(descriptor);
  };
  for (const call of parseTrace(path)) {
    const { name, step, pid, text, result } = call;
    if (step === 'begins') {
      underway.set(pid, call);
      process.syncs.set(pid, disk.serial);
    } else underway.delete(pid);
    if (STRANGE_CALLS.includes(name) && !(result < 0) && step === 'ends')
      throw new Error(`not followed: ${name}(${text.slice(0, 200)})`);
    if (SOCKET_CALLS.includes(name)) followSocket(call, connections, promise, cut);
    else if (name === 'close') {
      // Its number may be another's before the call has returned.
      if (step === 'begins') forget(descriptorOf(text));
    } else if (step === 'ends' && result >= 0) {
      const before = disk.serial;
      const isSync = name === 'fsync' || name === 'fdatasync';
      process[name](call);
      if (disk.serial !== before || isSync)
        cut(`${name}(${textsOf(text).length > 0 ? '...' : text})`);
    }
  }
  // What a killed process had asked for, the kernel may have done.
  const unfinished = [...underway.values()];
  for (const call of unfinished)
    if (call.name === 'pwrite64' || call.name === 'pwritev') process[call.name](call);
  cut('the end');
  return unfinished.map(({ name, text }) => ({
    name,
    path: process.descriptors.get(descriptorOf(text))?.path,
  }));
}

function followSocket({ name, step, text, result }, connections, promise, cut) {
  const descriptor = descriptorOf(text);
  if (name === 'accept4') {
    if (step === 'ends' && result >= 0) connections.set(result, new Connection(promised));
    return;
  }
  const connection = connections.get(descriptor);
  if (!connection) return;
  let said = false;
  function promised(side, message) {
    promise(side, message);
    said = true;
  }
  connection.promise = promised;
  const bytes = Buffer.concat(textsOf(text));
  // An answer counts from the moment that it may be out.
  if (name === 'recvfrom' && step === 'ends' && result > 0) connection.says('in', bytes);
  else if (name !== 'recvfrom' && step === 'begins') connection.says('out', bytes);
  if (said) cut(name);
}
