/** Templates of components: htm bound to Preact. */

import { h } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

/**
 * htm keeps elements without variable parts and returns them again. Preact stores the parent in each element, so a kept
 * element would keep every earlier tree of the page in memory. With both bits set, htm keeps nothing.
 */
const NOT_KEPT = 3;

/**
 * @this {number[]} htm's state of the element
 * @param {Parameters<typeof h>} element
 */
function createElement(...element) {
  this[0] = NOT_KEPT;
  return h(...element);
}

export const html = htm.bind(createElement);
