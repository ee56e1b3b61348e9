export interface Page<Item> {
  items: Item[];
  /** `null` on the last page. */
  nextCursor: string | null;
}

/** A list of the API. Iterating over it reads one page after the other. */
export class List<Item> implements AsyncIterable<Item> {
  readonly #read: (cursor: string | undefined) => Promise<Page<Item>>;

  constructor(read: (cursor: string | undefined) => Promise<Page<Item>>) {
    this.#read = read;
  }

  /** Reads one page: the first one, or the page at a `nextCursor`. A page can be shorter than `limit`. */
  page(cursor?: string): Promise<Page<Item>> {
    return this.#read(cursor);
  }

  /** Iterates over the pages, from the first one or from a `nextCursor`. */
  async *pages(cursor?: string): AsyncGenerator<Page<Item>, void> {
    let next: string | null | undefined = cursor;
    do {
      const page = await this.#read(next);
      yield page;
      next = page.nextCursor;
    } while (next !== null);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void> {
    for await (const page of this.pages()) yield* page.items;
  }
}
