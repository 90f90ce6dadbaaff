// What must not outlive the test process, even when a test breaks off: processes to kill,
// directories to remove. (Nothing helps against kill -9 of the test process itself.)

const undone = new Set();

process.once('exit', () => {
  for (const undo of undone) undo();
});

for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(1));

/** Has `undo` (synchronous) run when this process exits, unless the function returned is called. */
export function atExit(undo) {
  undone.add(undo);
  return () => undone.delete(undo);
}
