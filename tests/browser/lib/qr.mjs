// QR codes as a camera has them: from a picture of the screen, not from what the page says that it shows.

import jsQrModule from 'jsqr';
import { PNG } from 'pngjs';

const jsQR = jsQrModule.default ?? jsQrModule;

/** What the QR code in a PNG says, or null if there is none that can be read. */
export function decodePng(png) {
  const { data, width, height } = PNG.sync.read(png);
  // Dark on light only: many wallets read no other.
  return jsQR(new Uint8ClampedArray(data), width, height, { inversionAttempts: 'dontInvert' })?.data ?? null;
}

/** What the QR code that a locator shows says. Fails when there is none, or when it cannot be read. */
export async function decodeQr(locator) {
  await locator.waitFor({ state: 'visible' });
  const said = decodePng(await locator.screenshot());
  if (said === null) throw new Error('the picture holds no QR code that can be read');
  return said;
}

/**
 * A `bitcoin:` link of a QR code (BIP321) as a wallet takes it apart: the address in lower case, the amount in satoshis.
 * Fails on anything that wallets would stumble over.
 */
export function parsePayment(uri) {
  const match = /^bitcoin:([a-zA-Z0-9]+)(?:\?(.*))?$/.exec(uri);
  if (!match) throw new Error(`no bitcoin: link: ${uri}`);
  const [, address, query = ''] = match;
  if (address !== address.toUpperCase() && address !== address.toLowerCase()) throw new Error(`mixed case: ${address}`);
  const parameters = new URLSearchParams(query);
  const amount = parameters.get('amount');
  if (amount !== null && !/^\d{1,8}(\.\d{1,8})?$/.test(amount)) throw new Error(`no amount: ${amount}`);
  const [whole, part = ''] = (amount ?? '0').split('.');
  return {
    address: address.toLowerCase(),
    amount_sat: amount === null ? undefined : Number(whole) * 100_000_000 + Number(part.padEnd(8, '0')),
    parameters: [...parameters.keys()],
  };
}
