// What all pages do with elements that are there: find them, show one step, move the focus, say what happened, and tie
// an error to its field.

import { UpfrontError } from '../core/error.ts';
import { capital } from '../core/words.ts';

/** The element of that id, which the template has. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found as T;
}

export const maybe = (id: string): HTMLElement | null => document.getElementById(id);

/** The value of a field, without white space around it. */
export const valueOf = (id: string): string => byId<HTMLInputElement>(id).value.trim();

/** Moves the focus to a heading, so that whoever does not see the page knows that it changed. */
export function focusOn(heading: HTMLElement): void {
  if (!heading.hasAttribute('tabindex')) heading.tabIndex = -1;
  heading.focus();
  heading.scrollIntoView({ block: 'start' });
}

/** Tells readers of the screen. */
export function say(words: string): void {
  const region = maybe('say');
  if (region !== null) region.textContent = words;
}

/** Shows what is under way, or wrong, at one place of a page. */
export function sayer(status: HTMLElement): (words: string, bad?: boolean) => void {
  return (words, bad = false) => {
    status.textContent = words;
    status.className = bad ? 'note bad' : 'small';
  };
}

/** Ties words to a field, or takes them away; `id` is the field's, `error` the place of its words. */
export function fieldError(id: string, words: string | null, error = `${id}-error`): void {
  const place = byId(error);
  place.textContent = words ?? '';
  place.hidden = words === null;
  const field = byId(id);
  if (words === null) field.removeAttribute('aria-invalid');
  else field.setAttribute('aria-invalid', 'true');
}

/** What people are told of an error. What is no error of ours is a defect, and told as such. */
export function wordsOf(error: unknown): string {
  if (error instanceof UpfrontError) return sentence(error.message);
  return 'Something went wrong in this page. Load it again; nothing was lost.';
}

/** With a capital and a full stop. */
export function sentence(words: string): string {
  const whole = words.trim();
  if (whole === '') return '';
  const begun = capital(whole);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

/** Lets the browser draw before work that takes a while. */
export const breathe = (): Promise<void> => new Promise((resolve) => {
  requestAnimationFrame(() => setTimeout(resolve, 0));
});
