// Processes, ports, directories and waiting: what the stage is built of. Everything started here listens on 127.0.0.1,
// lies in memory where there is /dev/shm, and is stopped by its process id, also when a test or this program fails.

import { execFile, spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Longest wait for anything, milliseconds; most takes a second. */
export const PATIENCE_MS = 60_000;

const running = new Set();
const directories = new Set();

/** A program that the test command names in a variable. */
export function executable(variable) {
  const path = process.env[variable];
  if (!path) throw new Error(`${variable} is not set: run ./regtest/test, which gets everything first`);
  return path;
}

/** A directory of our own, gone at the end. */
export function directory() {
  const made = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'upfront-browser.'));
  directories.add(made);
  return made;
}

const handedOut = new Set();

/** A port that nobody uses now, below the range the system hands to clients. */
export async function freePort() {
  for (let tries = 0; tries < 500; tries += 1) {
    const port = 18_000 + Math.floor(Math.random() * 14_000);
    if (handedOut.has(port) || !(await canListen(port))) continue;
    handedOut.add(port);
    return port;
  }
  throw new Error('no free TCP port found');
}

function canListen(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** Starts a program whose words go to a log file. */
export function start(name, program, args, { log, env = {} }) {
  const file = openSync(log, 'a');
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', file, file] });
  const entry = { name, child, log, ended: false };
  child.on('error', (error) => {
    entry.ended = true;
    running.delete(entry);
    appendFileSync(log, `${program} does not start: ${error.message}\n`);
  });
  child.on('exit', () => {
    entry.ended = true;
    running.delete(entry);
  });
  running.add(entry);
  return entry;
}

/** Asks a process to end, and insists after `patience_ms`. */
export async function stop(entry, patience_ms = 10_000) {
  if (entry.ended) return;
  entry.child.kill('SIGTERM');
  const until = Date.now() + patience_ms;
  while (!entry.ended && Date.now() < until) await sleep(20);
  if (!entry.ended) entry.child.kill('SIGKILL');
  while (!entry.ended) await sleep(20);
}

/** The last lines a process said. */
export function lastWords(entry, lines = 12) {
  const text = existsSync(entry.log) ? readFileSync(entry.log, 'utf8') : '';
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}

/** Stops everything that still runs, the last started first, and removes the directories. */
export async function stopEverything() {
  for (const entry of [...running].reverse()) await stop(entry);
  removeDirectories();
}

function removeDirectories() {
  for (const path of directories) rmSync(path, { recursive: true, force: true });
  directories.clear();
}

// However this program ends, nothing that it started goes on.
process.on('exit', () => {
  for (const { child } of running) child.kill('SIGKILL');
  try {
    removeDirectories();
  } catch {
    // A process that is just dying may still write there; it lies in memory and is small.
  }
});
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]]) {
  process.on(signal, () => process.exit(code));
}

/** Runs a program to its end; its exit code and what it said. */
export function run(program, args, { env = {}, input = '', timeout_ms = PATIENCE_MS } = {}) {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, ...env }, timeout: timeout_ms, maxBuffer: 64 << 20 };
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      resolve({ code: error ? (error.code ?? -1) : 0, stdout, stderr: error?.killed ? `${stderr}timed out` : stderr });
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Asks until the answer is true; what it is then. After `patience_ms` it fails, with what was waited for. */
export async function eventually(what, ask, patience_ms = PATIENCE_MS) {
  const until = Date.now() + patience_ms;
  let last = '';
  for (;;) {
    try {
      const answer = await ask();
      if (answer) return answer;
    } catch (error) {
      last = `: ${error.message}`;
    }
    if (Date.now() > until) throw new Error(`waited ${Math.round(patience_ms / 1000)} s in vain: ${what}${last}`);
    await sleep(50);
  }
}
