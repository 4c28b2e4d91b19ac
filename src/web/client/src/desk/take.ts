// What comes in on desks: files that are chosen or dropped, texts that are pasted, and the pages brought up to date
// after something was handed in.

import { Fresh } from '../ui/fresh.ts';

/** Takes files from the field inside a zone, or dropped onto the zone. */
export function takeFiles(zone: HTMLElement, take: (files: readonly File[]) => void): void {
  const input = zone.querySelector<HTMLInputElement>('input[type=file]');
  input?.addEventListener('change', () => {
    take([...(input.files ?? [])]);
    // The same file again, signed anew, is a change too.
    input.value = '';
  });
  let depth = 0;
  const over = (by: number): void => {
    depth = Math.max(0, depth + by);
    zone.classList.toggle('over', depth > 0);
  };
  zone.addEventListener('dragenter', (event) => { event.preventDefault(); over(1); });
  zone.addEventListener('dragover', (event) => event.preventDefault());
  zone.addEventListener('dragleave', () => over(-1));
  zone.addEventListener('drop', (event) => {
    event.preventDefault();
    depth = 0;
    over(0);
    take([...(event.dataTransfer?.files ?? [])]);
  });
}

/** Looks at this page again at once: the words about state are the service's alone. */
export const refresh = (): Promise<void> => new Fresh(location.pathname + location.search).look();

/** Only what a person put there is told of: a note that says how it went. */
export function tell(place: HTMLElement, words: string, kind: '' | 'good' | 'bad' = ''): void {
  place.textContent = words;
  place.className = kind === '' ? 'small' : kind === 'bad' ? 'note bad' : 'note';
}
