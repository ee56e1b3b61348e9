/** Whether the API can be reached. */

import { signal } from "./vendor/signals.js";

export const isConnected = signal(true);

addEventListener("offline", () => (isConnected.value = false));
