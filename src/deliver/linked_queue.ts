/** A queue that takes from the front and adds at both ends in constant time; each item is in one queue at most. */
export class LinkedQueue<T extends { next: T | undefined }> {
  #first: T | undefined;
  #last: T | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get first(): T | undefined {
    return this.#first;
  }

  push(item: T): void {
    if (this.#last === undefined) this.#first = item;
    else this.#last.next = item;
    this.#last = item;
    this.#size++;
  }

  unshift(item: T): void {
    item.next = this.#first;
    this.#first = item;
    this.#last ??= item;
    this.#size++;
  }

  shift(): T | undefined {
    const item = this.#first;
    if (item === undefined) return undefined;
    this.#first = item.next;
    if (this.#first === undefined) this.#last = undefined;
    item.next = undefined; // else a dead item would keep all later ones from the garbage collector
    this.#size--;
    return item;
  }
}
