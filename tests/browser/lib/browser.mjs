// Headless Chromium, as Debian ships it.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { ROOT } from '../stage.mjs';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-domain-reliability',
  // Pictures are the same on every machine.
  '--font-render-hinting=none',
  '--force-color-profile=srgb',
];

/** The program: named in CHROMIUM_EXE, or found, or installed. */
function program() {
  return process.env.CHROMIUM_EXE ?? execFileSync(join(ROOT, 'regtest/get-chromium'), { encoding: 'utf8' }).trim();
}

/** Starts the browser; whoever is not this machine is reached through `outside`, the recorder. */
export function launch(outside) {
  return chromium.launch({
    executablePath: program(),
    args: [...FLAGS, `--proxy-server=${outside.url}`],
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  });
}
