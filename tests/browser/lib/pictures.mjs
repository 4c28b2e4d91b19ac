// Pictures of pages for people to look at, in target/screenshots/, which is not committed: 360 and 1280 px wide, light and
// dark. While it looks, it checks what a picture alone would not tell: that a page is no wider than its window.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../stage.mjs';

export const PICTURES = join(ROOT, 'target/screenshots');
const WIDTHS = { 360: 740, 1280: 900 };
/** Of a page that is longer its beginning is enough. */
const TALLEST = 8_000;
const THEMES = ['light', 'dark'];

/** Takes all four; the page is then again as it was. Fails if it has to be scrolled sideways at 360 px. */
export async function screenshots(page, name, { folder = PICTURES } = {}) {
  mkdirSync(folder, { recursive: true });
  const before = page.viewportSize();
  const taken = [];
  for (const [width, height] of Object.entries(WIDTHS)) {
    await page.setViewportSize({ width: Number(width), height });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    if (wide > Number(width)) throw new Error(`${page.url()} is ${wide} px wide in a window of ${width} px: ${await tooWide(page)}`);
    for (const colorScheme of THEMES) {
      await page.emulateMedia({ colorScheme });
      const path = join(folder, `${name}-${width}-${colorScheme}.png`);
      const tall = await page.evaluate(() => document.documentElement.scrollHeight);
      const clip = { x: 0, y: 0, width: Number(width), height: Math.min(tall, TALLEST) };
      await page.screenshot({ path, fullPage: true, clip, animations: 'disabled' });
      taken.push(path);
    }
  }
  await page.emulateMedia({ colorScheme: null });
  if (before) await page.setViewportSize(before);
  return taken;
}

/** Which elements reach beyond the window, the innermost of them. */
const tooWide = (page) => page.evaluate(() => {
  const beyond = (element) => element.getBoundingClientRect().right > innerWidth + 1 && !element.closest('.scroll');
  return [...document.querySelectorAll('main *, header *, footer *')]
    .filter((element) => beyond(element) && ![...element.children].some(beyond))
    .map(({ tagName, id, className }) => `${tagName.toLowerCase()}${id && `#${id}`}${typeof className === 'string' && className && `.${className}`}`)
    .slice(0, 5).join(', ');
});
