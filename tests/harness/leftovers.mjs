// What must not outlive the test process, even when a test breaks off: processes to kill,
// directories to remove. (Nothing helps against kill -9 of the test process itself.)

const undone = new Set();

// The last first: a directory cannot be removed while a process still writes there. And each of
// them, whatever became of the others.
process.once('exit', () => {
  for (const undo of [...undone].reverse()) {
    try {
      undo();
    } catch (error) {
      process.stderr.write(`left over: ${error.message}\n`);
    }
  }
});

for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(1));

/** Has `undo` (synchronous) run when this process exits, unless the function returned is called. */
export function atExit(undo) {
  undone.add(undo);
  return () => undone.delete(undo);
}
