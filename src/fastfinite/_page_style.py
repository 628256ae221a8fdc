"""How the page of `_page.py` looks, and what its script does: hand-written, and whole in the page.

(a) All colours, and which of the two pictures is shown, are variables of the theme; paper is always light. (b) The
script adds all controls itself, so that none is there without it. (c) Ranks below 0 are those of nan and of empty
cells, which come last both ways. (d) What is wider than its box scrolls in it: a shadow at the right edge says so, and
what lies over it moves along with the table. On narrow screens wordy tables are lists, and pictures keep their size.
"""

from __future__ import annotations

_LIGHT = """
    color-scheme: light;
    --page: #fdfdfc; --text: #1c1e21; --quiet: #595e64; --line: #dcdedb; --head: #f2f3f0; --focus: #0b57d0;
    --bad: #98141b; --on-bad: #fce6e5; --doubt: #734600; --on-doubt: #fcefd3; --told: #0b4f9e; --on-told: #e3edfa;
    --good: #185c30; --on-good: #e0f2e5; --plain: #4a4f55; --on-plain: #ecedea;
    --shade: #00000040; --light: block; --dark: none;
"""
_DARK = """
    color-scheme: dark;
    --page: #16181b; --text: #e4e5e3; --quiet: #a3a7ab; --line: #34383d; --head: #202327; --focus: #8ab4f8;
    --bad: #ffb3ae; --on-bad: #481c1d; --doubt: #f5cf8a; --on-doubt: #41300f; --told: #a9cdfb; --on-told: #1b3350;
    --good: #9fdcb0; --on-good: #173922; --plain: #c5c8cb; --on-plain: #2c3035;
    --shade: #000000b0; --light: none; --dark: block;
"""

STYLE = f"""
:root {{{_LIGHT}}}
@media screen and (prefers-color-scheme: dark) {{ :root:not([data-theme="light"]) {{{_DARK}}} }}
@media screen {{ :root[data-theme="dark"] {{{_DARK}}} }}
""" + """
* { box-sizing: border-box; }
body {
    margin: 0 auto; padding: 1.5rem clamp(0.75rem, 3vw, 2.5rem); max-width: 100rem;
    background: var(--page); color: var(--text); font: 0.9375rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere;
}
header { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; align-items: baseline; justify-content: space-between; }
h1 { margin: 0; font-size: 1.5rem; line-height: 1.25; flex: 1 1 12rem; }
h2 { margin: 0 0 0.5rem; font-size: 1.0625rem; }
section { margin-top: 2.25rem; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: 0.5rem; }
footer, .note, .shown { color: var(--quiet); font-size: 0.8125rem; }
.note { margin: 0.5rem 0 0; }
.verdict { flex-basis: 100%; margin: 0.5rem 0 0; padding: 0.625rem 0.875rem; border-left: 4px solid; }
.verdict span { margin-left: 0.5rem; }
.bad { background: var(--on-bad); color: var(--bad); }
.doubt { background: var(--on-doubt); color: var(--doubt); }
.told { background: var(--on-told); color: var(--told); }
.good { background: var(--on-good); color: var(--good); }
.plain { background: var(--on-plain); color: var(--plain); }

.table {
    overflow: auto; border: 1px solid var(--line); border-radius: 4px; width: fit-content; max-width: 100%;
    background: linear-gradient(to left, var(--page) 50%, transparent) right / 2.5rem 100% no-repeat local,
        linear-gradient(to left, var(--shade), transparent) right / 1.25rem 100% no-repeat;
}
.long { max-height: 85vh; }
table { border-collapse: separate; border-spacing: 0; font-size: 0.8125rem; line-height: 1.4; }
th, td { padding: 0.3125rem 0.5625rem; text-align: left; vertical-align: top; white-space: nowrap; }
td { border-top: 1px solid var(--line); }
th { position: sticky; top: 0; z-index: 1; background: var(--head); font-weight: 600; }
td:first-child { position: sticky; left: 0; background: var(--page); }
th:first-child { left: 0; z-index: 2; }
.words { white-space: normal; min-width: 12rem; max-width: 34rem; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.number span { margin-left: 0.2em; }
.odd { color: var(--bad); font-weight: 600; }
td b { padding: 0.0625rem 0.4375rem; border-radius: 3px; font-weight: 600; white-space: nowrap; }
pre {
    margin: 0; padding: 0.75rem 1rem; border: 1px solid var(--line); border-radius: 4px; white-space: pre-wrap;
    font: 0.8125rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace;
}
img { max-width: 100%; height: auto; }
.light { display: var(--light); }
.dark { display: var(--dark); }

button, input { font: inherit; color: inherit; background: none; border: 1px solid var(--line); border-radius: 4px; }
header button { padding: 0.125rem 0.625rem; font-size: 0.8125rem; cursor: pointer; }
input { padding: 0.25rem 0.5rem; width: 16rem; max-width: 100%; font-size: 0.8125rem; }
input::placeholder { color: var(--quiet); opacity: 1; }
.filter { display: flex; flex-wrap: wrap; gap: 0.25rem 0.75rem; align-items: baseline; margin-bottom: 0.5rem; }
th button { border: 0; padding: 0; font-weight: inherit; text-align: inherit; white-space: inherit; cursor: pointer; }
th button::after { content: "\\2195"; margin-left: 0.3em; color: var(--quiet); font-weight: 400; }
th[aria-sort] button::after { color: inherit; }
th[aria-sort="ascending"] button::after { content: "\\2191"; }
th[aria-sort="descending"] button::after { content: "\\2193"; }
:focus-visible { outline: 2px solid var(--focus); outline-offset: 1px; }

@media screen and (max-width: 40rem) {
    td:first-child, th:first-child { min-width: 0; max-width: 45vw; white-space: normal; overflow-wrap: break-word; }
    .wordy { width: auto; max-height: none; }
    .wordy :is(table, tbody, tr, td) { display: block; min-width: 0; max-width: none; white-space: normal; }
    .wordy :is(thead, tr[hidden], td:empty) { display: none; }
    .wordy td { position: static; border: 0; text-align: left; overflow-wrap: anywhere; }
    .wordy td::before { content: attr(data-head); display: block; color: var(--quiet); }
    .wordy tr { padding: 0.3125rem 0; }
    .wordy tr + tr { border-top: 1px solid var(--line); }
    .picture { overflow-x: auto; }
    .picture img { max-width: none; width: 45rem; }
    .picture::before {
        content: "\\2190  scroll \\2192"; position: sticky; left: 0; color: var(--quiet); font-size: 0.8125rem;
    }
}
@page { size: landscape; margin: 12mm; }
@media print {
    body { padding: 0; max-width: none; font-size: 9pt; }
    header button, .filter, th button::after { display: none; content: none; }
    .table { overflow: visible; max-height: none; max-width: none; background: none; }
    table { font-size: 7.5pt; }
    th, td:first-child { position: static; }
    th, td { padding: 0.125rem 0.375rem; }
    .words { min-width: 9rem; }
    tr, img { break-inside: avoid; }
    h2 { break-after: avoid; }
    * { print-color-adjust: exact; }
}
"""

SCRIPT = """
"use strict";
{
    const make = (name, properties) => Object.assign(document.createElement(name), properties);

    const root = document.documentElement;
    const themes = ["auto", "dark", "light"];
    const toggle = make("button", {type: "button"});
    const choose = theme => {
        root.dataset.theme = theme;
        toggle.textContent = "theme: " + theme;
    };
    toggle.onclick = () => choose(themes[(themes.indexOf(root.dataset.theme) + 1) % themes.length]);
    choose("auto");
    document.querySelector("h1").after(toggle);

    const sort = (table, column, sign) => {
        const ranks = new Map([...table.tBodies[0].rows].map(row => [row, +row.dataset.ranks.split(" ")[column]]));
        const order = (a, b) => a < 0 || b < 0 ? b - a : sign * (a - b);
        table.tBodies[0].append(...[...ranks.keys()].sort((a, b) => order(ranks.get(a), ranks.get(b))));
    };

    const sortable = (table, head, column) => {
        const button = make("button", {type: "button", textContent: head.textContent});
        button.onclick = () => {
            const reverse = head.getAttribute("aria-sort") === "ascending";
            table.querySelector("[aria-sort]")?.removeAttribute("aria-sort");
            head.setAttribute("aria-sort", reverse ? "descending" : "ascending");
            sort(table, column, reverse ? -1 : 1);
        };
        head.replaceChildren(button);
    };

    const filtered = (table, title) => {
        const texts = new Map([...table.tBodies[0].rows].map(
            row => [row, [...row.cells].map(cell => cell.textContent).join("\\n").toLowerCase()]));
        const input = make("input", {type: "search", placeholder: "filter rows", ariaLabel: "filter rows of " + title});
        const shown = make("output", {className: "shown"});
        input.oninput = () => {
            const wanted = input.value.trim().toLowerCase();
            let count = 0;
            for (const [row, text] of texts) {
                row.hidden = !text.includes(wanted);
                count += !row.hidden;
            }
            shown.textContent = `${count} of ${texts.size} rows`;
        };
        input.oninput();
        const box = make("div", {className: "filter"});
        box.append(input, shown);
        return box;
    };

    for (const region of document.querySelectorAll(".table")) {
        const table = region.querySelector("table");
        [...table.tHead.rows[0].cells].forEach((head, column) => sortable(table, head, column));
        if (region.classList.contains("long"))
            region.before(filtered(table, region.getAttribute("aria-label")));
    }
}
"""
