// Copying: by the clipboard where the page may, else by selecting the text for the person to copy.

import { groups } from '../core/words.ts';
import { button, element } from './element.ts';
import { say } from './page.ts';

/** A button that copies `text`; where that is not allowed it selects `shown`. */
export function copyButton(words: string, text: string, shown: HTMLElement): HTMLButtonElement {
  const made = button(words, 'second', async () => {
    try {
      await navigator.clipboard.writeText(text);
      made.textContent = 'Copied';
      say('Copied.');
    } catch {
      getSelection()?.selectAllChildren(shown);
      made.textContent = 'Selected: copy it now';
      say('Selected: copy it now.');
    }
    setTimeout(() => { made.textContent = words; }, 2_500);
  });
  return made;
}

/** A text in groups of four, as it is compared by eye. Selecting it takes the text without gaps. */
export function grouped(text: string): HTMLElement {
  return element('p', { class: 'address' }, ...groups(text).map((group) => element('span', {}, group)));
}
