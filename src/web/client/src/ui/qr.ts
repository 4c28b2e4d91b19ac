// A QR code drawn as SVG elements by the page itself, so that it says what was checked here and nothing else.

import { encodeQR } from 'qr';

const SVG = 'http://www.w3.org/2000/svg';
const QUIET = 4;

/** The path of all dark modules of a code with its quiet zone, and its side in modules. */
export function qrPath(text: string): { path: string; side: number } {
  const modules = encodeQR(text, 'raw', { ecc: 'medium', border: QUIET });
  const path = modules.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x} ${y}h1v1h-1z`] : []))).join('');
  return { path, side: modules.length };
}

export function qrPicture(text: string, label: string): HTMLElement {
  const { path, side } = qrPath(text);
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${side} ${side}`);
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', label);
  svg.setAttribute('shape-rendering', 'crispEdges');
  const dark = document.createElementNS(SVG, 'path');
  dark.setAttribute('d', path);
  dark.setAttribute('fill', '#000');
  svg.append(dark);
  const figure = document.createElement('figure');
  figure.className = 'qr';
  figure.append(svg);
  return figure;
}
