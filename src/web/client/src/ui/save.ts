// Files out and in. What is saved is made in the page and goes to the disk alone.

/** Offers a text as a file. */
export function saveText(name: string, text: string, type = 'application/json'): void {
  saveBytes(name, new TextEncoder().encode(text), type);
}

export function saveBytes(name: string, bytes: Uint8Array<ArrayBuffer>, type: string): void {
  const url = URL.createObjectURL(new Blob([bytes], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  // The browser may read it a little later.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** The bytes of a file that somebody chose. */
export const bytesOfFile = async (file: File): Promise<Uint8Array<ArrayBuffer>> => new Uint8Array(await file.arrayBuffer());
