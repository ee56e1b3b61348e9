/** Menus that open next to a button. */

import { useEffect, useRef, useState } from "./vendor/hooks.js";

/**
 * The state of a menu, which Escape and a press outside close. `element` and `onKeyDown` belong to the element
 * that contains the button and the menu.
 */
export function useMenu() {
  const [isOpen, setOpen] = useState(false);
  const element = useRef(/** @type {HTMLDivElement | null} */ (null));
  useEffect(() => {
    if (!isOpen) return;
    /** @param {Event} event */
    const closeOutside = (event) => {
      if (!element.current?.contains(/** @type {Node} */ (event.target))) setOpen(false);
    };
    document.addEventListener("pointerdown", closeOutside);
    return () => document.removeEventListener("pointerdown", closeOutside);
  }, [isOpen]);
  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    if (event.key !== "Escape" || !isOpen) return;
    event.stopPropagation();
    setOpen(false);
    const button = element.current?.querySelector("[aria-expanded]");
    if (button instanceof HTMLElement) button.focus();
  };
  return { isOpen, setOpen, element, onKeyDown };
}
