// The page's elements: found by id, made without any markup from text.

type Child = Node | string | null;

/** An element with these attributes and children. Text stays text. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K, attributes: Readonly<Record<string, string>> = {}, ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** The element of this id, which the page has. */
export function byId<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page lacks ${id}`);
  return found;
}

export const show = (element: HTMLElement, shown: boolean): void => void (element.hidden = !shown);

/** Rows of name and value. */
export const rows = (pairs: readonly (readonly [string, Child])[]): HTMLElement =>
  el('dl', {}, ...pairs.flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, value)]));

export const code = (text: string): HTMLElement => el('code', {}, text);

/** An address in groups of four, for comparing by eye; copied, it has no gaps. */
export const address = (text: string): HTMLElement =>
  el('span', { class: 'address' }, ...(text.match(/.{1,4}/g) ?? []).flatMap((group) => [el('span', {}, group), el('wbr')]));

/** A text in which `part` is shown by an element of its own. */
export function around(text: string, part: string, shown: HTMLElement): Node[] {
  const at = text.indexOf(part);
  if (part === '' || at < 0) return [document.createTextNode(text)];
  return [document.createTextNode(text.slice(0, at)), shown, document.createTextNode(text.slice(at + part.length))];
}

/** Characters that show something other than they are: a text from outside is shown without them. */
const UNSEEN = /[\p{Cc}\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\u061c\u2028\u2029\u00ad\u{e0000}-\u{e007f}]/gu;
export const inert = (text: string): string => text.replace(UNSEEN, '\ufffd');

/** A link that saves a text as a file. The text stays in this page until it is closed. */
export function saveLink(name: string, text: string, words: string): HTMLAnchorElement {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/octet-stream' }));
  return el('a', { class: 'button', href: url, download: name }, words);
}

/** Lets the browser paint before work that takes a while. */
export const painted = (): Promise<void> =>
  new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
