// Keeps a page fresh that says where its events are: `data-events` on the body or on any element in it.

import { stayOnPage } from '../ui/faucet.ts';
import { Fresh } from '../ui/fresh.ts';

const events = document.querySelector<HTMLElement>('[data-events]')?.dataset.events;
if (events !== undefined && events !== '') new Fresh(location.pathname + location.search).start(events);
stayOnPage();
