// A file system that knows what of it a power cut would leave. Files and directories remember what
// was done to them since they were last synced; what a disk may make of that is an image.
//
// What is assumed of real ones stands in README.md.

import { createHash } from 'node:crypto';

/** What a disk writes whole; smaller than real ones, so that more can tear. */
export const BLOCK_BYTES = 64;

const NOTHING = Buffer.alloc(0);

class File {
  constructor() {
    this.synced = NOTHING;
    this.changes = []; // {serial, offset, bytes} or {serial, length}
  }

  /** What a reader sees. */
  contents() {
    if (this.changes.length === 0) return this.synced;
    return this.changes.reduce(applied, this.synced);
  }
}

function applied(bytes, { offset, bytes: written, length }) {
  if (length !== undefined) return resized(bytes, length);
  const result = resized(bytes, Math.max(bytes.length, offset + written.length));
  written.copy(result, offset);
  return result;
}

function resized(bytes, length) {
  const result = Buffer.alloc(length);
  bytes.copy(result, 0, 0, length);
  return result;
}

class Directory {
  constructor() {
    this.synced = new Map(); // name to file or directory
    this.changes = []; // {serial, removed: [[directory, name]], added: [[directory, name, node]]}
  }

  entries(survives = () => true) {
    const entries = new Map(this.synced);
    for (const change of this.changes) if (survives(change)) this.apply(change, entries);
    return entries;
  }

  apply({ removed, added }, entries) {
    for (const [directory, name] of removed) if (directory === this) entries.delete(name);
    for (const [directory, name, node] of added) if (directory === this) entries.set(name, node);
  }
}

export class Disk {
  constructor() {
    this.root = new Directory();
    this.serial = 0;
  }

  /** A disk that holds an image, all of it synced. */
  static of({ files, directories }) {
    const disk = new Disk();
    const put = (path, node) => {
      const slash = path.lastIndexOf('/');
      disk.find(path.slice(0, Math.max(slash, 0))).synced.set(path.slice(slash + 1), node);
      return node;
    };
    directories.forEach((path) => put(path, new Directory()));
    files.forEach((bytes, path) => {
      put(path, new File()).synced = bytes;
    });
    return disk;
  }

  /** The node at a path below the root, or undefined. */
  find(path, from = this.root) {
    let node = from;
    for (const name of path.split('/').filter((part) => part && part !== '.'))
      node = node instanceof Directory ? node.entries().get(name) : undefined;
    return node;
  }

  write(file, offset, bytes) {
    file.changes.push({ serial: this.next(), offset, bytes });
  }

  truncate(file, length) {
    file.changes.push({ serial: this.next(), length });
  }

  /** A file that has no name yet. */
  makeFile() {
    return new File();
  }

  makeDirectory() {
    return new Directory();
  }

  /** A change of names: all of it survives, or nothing. */
  change({ removed = [], added = [] }) {
    const change = { serial: this.next(), removed, added };
    for (const directory of new Set([...removed, ...added].map(([one]) => one)))
      directory.changes.push(change);
  }

  next() {
    this.serial += 1;
    return this.serial;
  }

  /** A sync that began when the disk's serial was `serial` has returned. */
  sync(node, serial) {
    const stable = node.changes.filter((change) => change.serial <= serial);
    if (node instanceof File) {
      node.synced = stable.reduce(applied, node.synced);
      node.changes = node.changes.filter((change) => change.serial > serial);
      return;
    }
    // What a journal of the file system has of one directory it has of the other.
    for (const change of stable)
      for (const directory of new Set([...change.removed, ...change.added].map(([one]) => one))) {
        directory.apply(change, directory.synced);
        directory.changes = directory.changes.filter((other) => other !== change);
      }
  }

  /**
   * What a power cut may leave: {files: Map of path to bytes, directories: paths, key}. `left` says
   * which changes of names survive (`names`), and what of each file (`bytes`, see contentsLeft).
   */
  image(left) {
    const image = { files: new Map(), directories: [] };
    const hash = createHash('sha1');
    const visit = (directory, path) => {
      for (const [name, node] of [...directory.entries(left.names)].sort(byName)) {
        const below = path ? `${path}/${name}` : name;
        if (node instanceof Directory) {
          image.directories.push(below);
          visit(node, below);
        } else {
          const bytes = node.changes.length > 0 ? left.bytes(node) : node.synced;
          image.files.set(below, bytes);
          hash.update(`${below}\0${digestOf(bytes)}\0`);
        }
      }
    };
    visit(this.root, '');
    hash.update(image.directories.join('\0'));
    image.key = hash.digest('hex');
    return image;
  }
}

const byName = ([one], [other]) => (one < other ? -1 : 1);

const digests = new WeakMap();

function digestOf(bytes) {
  if (!digests.has(bytes)) digests.set(bytes, createHash('sha1').update(bytes).digest('hex'));
  return digests.get(bytes);
}

/**
 * Mixes what was synced of a file and what was written since, block by block. `overwritten()` says
 * whether a block that was synced and written over is 'old' or 'new'; `beyond(index, count)` whether
 * the index-th of `count` blocks behind those is 'new', 'zero' or 'stale' (the bytes of another
 * file), or whether the file is 'cut' in it.
 */
export function mixed(file, { overwritten = () => 'new', beyond, stale = NOTHING }) {
  const old = file.synced;
  const now = file.contents();
  const result = Buffer.from(now);
  const both = Math.min(old.length, now.length);
  for (let at = 0; at < both; at += BLOCK_BYTES)
    if (overwritten() === 'old') old.copy(result, at, at, Math.min(at + BLOCK_BYTES, both));
  const first = Math.floor(both / BLOCK_BYTES);
  const count = Math.ceil(now.length / BLOCK_BYTES) - first;
  for (let index = 0; index < count; index += 1) {
    // What was synced of a block is not hit by what is written behind it.
    const from = Math.max((first + index) * BLOCK_BYTES, both);
    const to = Math.min((first + index + 1) * BLOCK_BYTES, now.length);
    const fate = beyond(index, count);
    if (fate === 'cut') return result.subarray(0, from + ((to - from) >> 1));
    if (fate !== 'new') result.fill(0, from, to);
    if (fate === 'stale' && from < stale.length) stale.copy(result, from, from, to);
  }
  return result;
}
