"""The one style sheet of a report: readable in light and in dark, on a narrow screen and on paper; the system's own fonts."""

from __future__ import annotations

from typing import Final

CSS: Final = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--paper:#fff;--panel:#f6f8fa;--line:#d0d7de;
--good:#006b4f;--bad:#b34700;--doubt:#7a5200;--link:#0059a8;--blue:#0072b2;--alarm:#b34700}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4af;--paper:#0f1318;--panel:#171c23;--line:#303843;
--good:#3fc79a;--bad:#ff9552;--doubt:#e6b450;--link:#6cb6ff;--blue:#3d9be0;--alarm:#ff9552}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1240px;margin:0 auto;padding:24px 24px 64px}
.kicker{margin:0;color:var(--soft)}
h1{font-size:1.5rem;line-height:1.35;font-weight:500;margin:.2em 0 .5em;max-width:60em}
.answers{margin:.2em 0 .8em;padding-left:1.2em;font-size:1.12rem;max-width:60em}
h2{margin:2.2em 0 .2em;padding-top:.6em;border-top:2px solid var(--line);font-size:1.35rem}
h3{margin:1.6em 0 0;font-size:1.05rem}
h4{margin:.8em 0 .2em;font-size:.95rem}
h1,h2,h3,h4,p,li,summary,figcaption{overflow-wrap:anywhere}
p{margin:.3em 0 .6em;max-width:85em}
a{color:var(--link)}
.question{font-style:italic}
.legend,figcaption{color:var(--soft);font-size:.87rem}
.notes,.warning{color:var(--doubt)}
.wide{overflow-x:auto;margin:1em 0 .4em}
th,td{padding:.34em .6em}
table{border-collapse:collapse;font-size:.9rem}
.summary{width:100%;font-size:.86rem}
.summary th,.summary td{padding:.34em .5em}
th{text-align:left;font-weight:600;color:var(--soft);vertical-align:bottom;border-bottom:1px solid var(--line)}
td{vertical-align:top;font-variant-numeric:tabular-nums;border-bottom:1px solid var(--line)}
.summary td,.summary th{white-space:nowrap}
tr.group td{border-top:2px solid var(--line)}
.summary th[scope=row]{color:var(--ink);font-weight:400;vertical-align:top}
tr.group th{border-top:2px solid var(--line)}
.narrow,.hint{display:none}
.wide:focus-visible,summary:focus-visible,a:focus-visible{outline:2px solid var(--link);outline-offset:2px}
.number{text-align:right}
.badge{font-weight:600}
.verdict-valid .badge{color:var(--good)}
.verdict-invalid .badge{color:var(--bad)}
.verdict-unknown .badge,.verdict-harness-invalid .badge,.verdict-skipped .badge{color:var(--doubt)}
.pair{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr));gap:4px 28px}
.pair>div{min-width:0}
figure{margin:.3em 0;color:var(--ink)}
figcaption{font-weight:600}
.life{max-width:1060px;overflow-x:auto}
.life svg{min-width:760px}
svg{display:block;width:100%;height:auto}
details{border:1px solid var(--line);border-radius:6px;background:var(--panel);padding:.4em .8em;margin:.4em 0}
summary{cursor:pointer}
.fails{color:var(--bad);font-weight:600}
.counted{color:var(--soft)}
.witnesses{font-size:.87rem;overflow-wrap:anywhere;padding-left:1.6em}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2em 1em}
dt{font-weight:600}
dd{margin:0}
code{font-size:.85em;overflow-wrap:anywhere}
.origin td:not(:first-child):not(:last-child) code{white-space:nowrap}
nav{margin:1em 0}
.option{white-space:nowrap}
@media(max-width:880px){.hint{display:inline}}
@media(max-width:700px){main{padding:16px 14px 48px}h1{font-size:1.3rem}.answers{font-size:1rem}
.wide:has(.summary){scroll-snap-type:x mandatory;scroll-padding-left:7rem}
.summary thead th{scroll-snap-align:start}
.summary th:first-child{position:sticky;left:0;z-index:1;background:var(--paper);box-shadow:1px 0 var(--line);
width:7rem;min-width:7rem;max-width:7rem;white-space:normal;overflow-wrap:anywhere;scroll-snap-align:none}
.summary td:nth-child(2),.summary thead th:nth-child(2){display:none}.narrow{display:inline}
dl{grid-template-columns:1fr}dd{margin:0 0 .4em}}
@media print{details{break-inside:avoid}figure{break-inside:avoid}}
"""
