// Elements made in code: the pages' policy allows no markup from strings.

/** `null` is none. */
export type Child = Node | string | null;

/** An element with attributes and children. `true` is an attribute without a value, `false` none. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name, attributes: Readonly<Record<string, string | boolean>> = {}, ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value !== false) made.setAttribute(attribute, value === true ? '' : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** A button that does something; it rests while that is under way, so that nothing is sent twice. */
export function button(words: string, kind: string, act: () => void | Promise<void>): HTMLButtonElement {
  const made = element('button', { type: 'button', class: kind }, words);
  made.addEventListener('click', () => {
    made.disabled = true;
    void Promise.resolve().then(act).finally(() => { made.disabled = false; });
  });
  return made;
}
