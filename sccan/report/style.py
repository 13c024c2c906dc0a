"""The style sheet of the HTML page: light and dark, phone and wide screen, paper."""

MARK = b":root { --paper:#ffffff; --panel:#f4f5f7; --ink:#1c2026;"
"""By which a page is known as one of ours."""
STYLE = """
:root { --paper:#ffffff; --panel:#f4f5f7; --ink:#1c2026; --faint:#5d6570; --rule:#dfe2e7; --bar:#8fa3b8;
  --accent:#0072b2; --warn:#b34700; --line1:#d55e00; --line2:#009e73; --line3:#b0578d; }
@media (prefers-color-scheme: dark) { :root { --paper:#14171b; --panel:#1e2329; --ink:#e8eaed; --faint:#a0a8b2;
  --rule:#353c45; --bar:#64788d; --accent:#56b4e9; --warn:#c2570c; --line1:#e69f00; --line2:#2bc299;
  --line3:#cc79a7; } }
* { box-sizing:border-box; }
body { margin:0; background:var(--paper); color:var(--ink); font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
  "Helvetica Neue",Arial,sans-serif; -webkit-text-size-adjust:100%; }
main { max-width:1120px; margin:0 auto; padding:24px 20px 64px; }
h1 { font-size:1.7rem; line-height:1.2; margin:0 0 4px; }
h2 { font-size:1.25rem; line-height:1.3; margin:44px 0 12px; padding-top:14px; border-top:1px solid var(--rule); }
p { margin:0 0 12px; max-width:75ch; }
a { color:var(--accent); }
.subtitle, .note, .faint, figcaption { color:var(--faint); }
.subtitle { overflow-wrap:anywhere; }
.note, figcaption { font-size:.875rem; }
nav { display:flex; flex-wrap:wrap; gap:4px 18px; margin:14px 0 0; font-size:.95rem; }
.headline { display:flex; flex-wrap:wrap; gap:12px; margin:0 0 18px; }
.headline div { background:var(--panel); border-radius:8px; padding:12px 18px; flex:1 1 170px; }
.headline strong { display:block; font-size:1.45rem; line-height:1.25; white-space:nowrap;
  font-variant-numeric:tabular-nums; }
.headline span { color:var(--faint); font-size:.875rem; }
.scroll { overflow-x:auto; margin:0 0 14px; }
table { border-collapse:collapse; font-size:.94rem; font-variant-numeric:tabular-nums; }
th, td { padding:6px 14px 6px 0; text-align:left; border-bottom:1px solid var(--rule); white-space:nowrap;
  vertical-align:top; }
th { color:var(--faint); font-weight:600; border-bottom-width:2px; }
th.right, td.right { text-align:right; padding:6px 4px 6px 18px; }
td.right + td:not(.right), th.right + th:not(.right) { padding-left:22px; }
tr.emphasised td { font-weight:700; background:var(--panel); }
table.settings td { white-space:normal; overflow-wrap:anywhere; }
table.settings td:first-child { white-space:nowrap; color:var(--faint); }
code { font:.875em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace; }
details { margin:0 0 14px; } summary { cursor:pointer; color:var(--accent); margin-bottom:8px; }
figure { margin:0 0 20px; max-width:720px; } figcaption { margin-top:4px; }
svg.chart { display:block; overflow:visible; }
svg text { fill:var(--ink); font-size:13px; } svg .faint, svg .tick { fill:var(--faint); font-size:12px; }
svg .tick { paint-order:stroke; stroke:var(--paper); stroke-width:3px; }
svg .number { text-anchor:end; font-variant-numeric:tabular-nums; }
svg .track { fill:var(--panel); } svg .bar { fill:var(--bar); } svg .accent { fill:var(--accent); }
svg .whisker { stroke:var(--ink); stroke-width:1.5; } svg .grid { stroke:var(--rule); }
svg .curve { fill:none; stroke-width:1.8; stroke-linejoin:round; vector-effect:non-scaling-stroke; }
svg .line0 { stroke:var(--accent); } svg .line1 { stroke:var(--line1); stroke-dasharray:6 3; }
svg .line2 { stroke:var(--line2); stroke-dasharray:2 3; } svg .line3 { stroke:var(--line3); stroke-dasharray:9 3 2 3; }
svg .best { fill:var(--paper); stroke:var(--ink); stroke-width:2; }
.legend { display:flex; flex-wrap:wrap; gap:4px 18px; margin:0 0 12px; font-size:.875rem; }
.legend .key { display:inline-block; width:14px; height:14px; margin-right:6px; vertical-align:-2px;
  border-radius:3px; }
.key.line0 { background:var(--accent); } .key.line1 { background:var(--line1); }
.key.line2 { background:var(--line2); } .key.line3 { background:var(--line3); }
.strip { margin:0 0 26px; } .strip-head { margin:0 0 6px; } .strip-head strong { margin-right:8px; }
.tiles { display:grid; grid-template-columns:var(--columns); gap:12px; align-items:end; }
.tile { margin:0; min-width:0; } .tile figcaption { margin:0 0 4px; }
.tile img { display:block; width:100%; height:auto; aspect-ratio:1; object-fit:contain; border-radius:4px;
  background:var(--panel); }
.mosaic { display:grid; grid-template-columns:repeat(var(--per-row),minmax(0,1fr)); gap:4px; }
.caption { display:block; margin-top:3px; color:var(--faint); font-size:.78rem; white-space:nowrap; overflow:hidden;
  text-overflow:ellipsis; }
.cards { display:grid; grid-template-columns:repeat(auto-fill,minmax(210px,1fr)); gap:22px 16px; margin:0 0 18px; }
.card { margin:0; min-width:0; } .card .frame { position:relative; border-radius:6px; overflow:hidden;
  background:var(--panel); }
.card img { display:block; width:100%; aspect-ratio:4/3; height:auto; object-fit:contain; }
.card figcaption { margin:6px 0 4px; color:var(--ink); font-weight:600; white-space:nowrap; overflow:hidden;
  text-overflow:ellipsis; }
.card .caption { white-space:normal; overflow-wrap:anywhere; } .card .caption b { color:var(--ink); }
.card.warned .frame { outline:2px solid var(--warn); outline-offset:1px; }
.card .badge { position:absolute; left:8px; top:8px; background:var(--warn); color:#fff; border-radius:4px;
  padding:1px 7px; font-size:.75rem; font-weight:600; }
.meter { height:5px; border-radius:3px; background:var(--rule); overflow:hidden; }
.meter i { display:block; height:100%; background:var(--accent); } .card.warned .meter i { background:var(--warn); }
@media (max-width:600px) { main { padding:16px 14px 48px; } h1 { font-size:1.4rem; }
  .cards { grid-template-columns:repeat(2,minmax(0,1fr)); gap:18px 10px; }
  .tiles { grid-template-columns:repeat(2,minmax(0,1fr)); gap:10px; } .tile.wide, .tile:last-child:nth-child(odd) {
  grid-column:1/-1; } .tile.wide ~ .tile:last-child { grid-column:auto; } }
@media print { nav { display:none; } .strip, .card, figure, table { break-inside:avoid; } }
"""
