// Asks for the page again, and shows what changed.
"use strict";
setInterval(async () => {
  const here = document.getElementById("live");
  if (!here || document.hidden) return;
  try {
    const page = await fetch(location.href, { cache: "no-store" });
    if (!page.ok) return;
    const next = new DOMParser().parseFromString(await page.text(), "text/html").getElementById("live");
    if (!next || next.innerHTML === here.innerHTML) return;
    const focused = here.contains(document.activeElement) && document.activeElement.getAttribute("href");
    here.replaceWith(document.adoptNode(next));
    if (focused) [...next.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused)?.focus();
  } catch (_) {
    // The simulator has stopped; it may come back.
  }
}, 2000);
