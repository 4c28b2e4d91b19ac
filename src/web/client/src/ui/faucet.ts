// The regtest faucet's buttons on pages that hold a key or are kept fresh: pressed without leaving the page, which would
// forget the key. Everywhere else, and without scripts, they are plain forms.

/** What asks every page that is kept fresh to look now. */
export const LOOK = 'upfront-look';

export function stayOnPage(): void {
  const place = document.getElementById('faucet');
  if (place === null || document.querySelector('#checkout, #pledge, #vote, [data-events]') === null) return;
  place.addEventListener('submit', (event) => {
    const form = event.target as HTMLFormElement;
    event.preventDefault();
    void press(place, form);
  });
}

async function press(place: HTMLElement, form: HTMLFormElement): Promise<void> {
  const buttons = [...place.querySelectorAll('button')];
  for (const each of buttons) each.disabled = true;
  const told = place.querySelector<HTMLElement>('[role="status"]') ?? document.createElement('p');
  told.setAttribute('role', 'status');
  place.append(told);
  try {
    const body = new URLSearchParams([...new FormData(form)].map(([name, value]) => [name, String(value)]));
    const response = await fetch(form.action, { method: 'POST', headers: { accept: 'application/json' }, body });
    const { detail } = response.ok ? { detail: undefined } : ((await response.json()) as { detail?: string });
    told.textContent = response.ok ? 'Done.' : detail ?? 'It did not work.';
  } catch {
    told.textContent = 'The service does not answer.';
  } finally {
    for (const each of buttons) each.disabled = false;
    window.dispatchEvent(new Event(LOOK));
  }
}
