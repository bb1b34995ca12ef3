"use strict";
// Searches and sorts the columns of the page. Without it, the page shows all of them.
(() => {
  const byId = (id) => document.getElementById(id);
  const list = byId("columns");
  const sections = [...list.children];
  const orders = {
    data: () => 0,
    name: (a, b) => a.dataset.name.localeCompare(b.dataset.name),
    missing: (a, b) => b.dataset.missing - a.dataset.missing,
    difference: (a, b) => b.dataset.difference - a.dataset.difference,
  };

  function show() {
    const wanted = byId("search").value.trim().toLowerCase();
    const names = (section) => `${section.dataset.name} ${section.dataset.kind}`.toLowerCase();
    for (const section of sections) section.hidden = !names(section).includes(wanted);
    list.append(...[...sections].sort(orders[byId("order").value]));
    const shown = sections.filter((section) => !section.hidden).length;
    byId("found").textContent = `${shown} of ${sections.length} columns`;
  }

  byId("search").addEventListener("input", show);
  byId("order").addEventListener("change", show);
  byId("tools").hidden = false;
  show();
})();
