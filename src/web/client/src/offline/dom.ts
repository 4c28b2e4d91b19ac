// Elements of the offline files: found by id, and those that both of them make.

import { groups } from '../core/words.ts';
import { element, type Child } from '../ui/element.ts';

/** The element of this id, which the page has. */
export function byId<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page lacks ${id}`);
  return found;
}

export const show = (part: HTMLElement, shown: boolean): void => void (part.hidden = !shown);

/** Rows of name and value. */
export const rows = (pairs: readonly (readonly [string, Child])[]): HTMLElement =>
  element('dl', {}, ...pairs.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]));

export const code = (text: string): HTMLElement => element('code', {}, text);

/** An address in groups of four, for comparing by eye; copied, it has no gaps. */
export const address = (text: string): HTMLElement =>
  element('span', { class: 'address' }, ...groups(text).flatMap((group) => [element('span', {}, group), element('wbr')]));

/** A text in which `part` is shown by an element of its own. */
export function around(text: string, part: string, shown: HTMLElement): Node[] {
  const at = text.indexOf(part);
  if (part === '' || at < 0) return [document.createTextNode(text)];
  return [document.createTextNode(text.slice(0, at)), shown, document.createTextNode(text.slice(at + part.length))];
}

/** A link that saves a text as a file. The text stays in this page until it is closed. */
export function saveLink(name: string, text: string, words: string): HTMLAnchorElement {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/octet-stream' }));
  return element('a', { class: 'button', href: url, download: name }, words);
}
