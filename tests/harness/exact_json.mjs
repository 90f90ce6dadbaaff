// JSON read and written with the text of its numbers: 70.0 stays 70.0. A number is an ExactNumber,
// so that two of them are equal when their texts are.

export class ExactNumber {
  constructor(text) {
    this.text = String(text);
  }
}

/** Shorthand for a number with a text of its own: exact('70.0'). */
export const exact = (text) => new ExactNumber(text);

const MARK = '\u0001number:';

export function parseExact(text) {
  const marked = text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g, (token) =>
    token.startsWith('"') ? token : JSON.stringify(MARK + token),
  );
  return JSON.parse(marked, (_, value) =>
    typeof value === 'string' && value.startsWith(MARK)
      ? new ExactNumber(value.slice(MARK.length))
      : value,
  );
}

/** `spaced`: with ", " and ": " as Python writes; `ascii`: with \\u escapes for all but ASCII. */
export function writeExact(value, { spaced = false, ascii = false } = {}) {
  const [comma, colon] = spaced ? [', ', ': '] : [',', ':'];
  const text = (string) =>
    ascii
      ? JSON.stringify(string).replace(
          /[\u0080-\uffff]/g,
          (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
        )
      : JSON.stringify(string);
  const write = (part) => {
    if (part instanceof ExactNumber) return part.text;
    if (typeof part === 'string') return text(part);
    if (Array.isArray(part)) return `[${part.map(write).join(comma)}]`;
    if (part === null || typeof part !== 'object') return JSON.stringify(part);
    const members = Object.entries(part).filter(([, member]) => member !== undefined);
    return `{${members.map(([name, member]) => text(name) + colon + write(member)).join(comma)}}`;
  };
  return write(value);
}
