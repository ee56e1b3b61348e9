/** Icons. They are decoration: the control that contains one has a name of its own. */

import { html } from "./html.js";

const PATHS = {
  menu: "M2.5 4h11M2.5 8h11M2.5 12h11",
  compose: "M11.5 2.5l2 2L6 12l-3 1 1-3 7.5-7.5Z",
  attach: "M13 7.5 7.8 12.7a3.2 3.2 0 0 1-4.5-4.5l5.4-5.4a2.1 2.1 0 0 1 3 3l-5.3 5.3a1 1 0 0 1-1.5-1.5L9.5 5",
  template: "M3 2.5h10v11H3zM5.5 6h5M5.5 8.5h5M5.5 11h3",
};

/** @param {{ name: keyof typeof PATHS }} properties */
export function Icon({ name }) {
  return html`<svg class="icon-line" viewBox="0 0 16 16" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
}
