export const STYLE = `:root{color-scheme:light dark;--page:#f4f5f7;--card:#fff;--text:#1d2430;--soft:#5b6675;--line:#dfe3e8;--good:#1a7f37;--bad:#c62828;--warn:#9a5b00}
@media(prefers-color-scheme:dark){:root{--page:#14171c;--card:#1d2229;--text:#e6e9ee;--soft:#9aa5b4;--line:#313843;--good:#4ac26b;--bad:#ff7b72;--warn:#e3a53b}}
*{box-sizing:border-box}
body{margin:0 auto;padding:12px;max-width:1500px;font:15px/1.4 system-ui,sans-serif;background:var(--page);color:var(--text)}
header{display:flex;flex-wrap:wrap;align-items:center;justify-content:space-between;gap:8px}
h1{font-size:1.5em;margin:4px 0}h2{font-size:1.05em;margin:20px 0 8px;color:var(--soft);font-weight:600}h3{font-size:.95em;margin:0 0 8px}h4{font-size:.85em;margin:8px 0 2px;color:var(--soft);font-weight:600}
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}
#notice{margin:0;color:var(--bad);overflow-wrap:anywhere}footer{margin:16px 0 4px;color:var(--soft);font-size:.85em}
nav{display:flex;flex-wrap:wrap;gap:4px}nav a{padding:6px 10px;border:1px solid var(--line);border-radius:6px;background:var(--card);color:inherit;text-decoration:none;font-size:.9em}nav a.here{border-color:var(--text);font-weight:600}
.alert{margin:8px 0;padding:10px 14px;background:var(--card);border-left:5px solid var(--warn);border-radius:4px;overflow-wrap:anywhere}.alert.critical{border-color:var(--bad)}.alert h3{color:var(--warn);margin:0;font-size:1.05em}.alert.critical h3{color:var(--bad)}.alert.silenced{opacity:.75}.alert p{margin:4px 0}
.when,.runbook{font-size:.9em}.when{color:var(--soft)}.effects{display:block;padding-left:14px;font-size:.9em}.effects li{list-style:disc;margin-left:8px}.effects li::before{display:none}
code{padding:0 3px;background:var(--page);border-radius:3px;font-size:.95em}
.actions{display:flex;flex-wrap:wrap;align-items:center;gap:8px 12px;font-size:.9em}a{color:inherit}summary{cursor:pointer}
button,input,select{padding:5px 10px;border:1px solid var(--line);border-radius:6px;background:var(--page);color:inherit;font:inherit;max-width:100%}button{cursor:pointer}form{display:flex;flex-wrap:wrap;gap:6px;margin-top:6px}
:focus-visible{outline:2px solid #3274d9;outline-offset:2px}
.silence{margin:6px 0;color:var(--soft);font-size:.9em;overflow-wrap:anywhere}.silence button{margin-left:8px;padding:2px 8px}#alerts details{font-size:.9em}.over{margin:8px 0}
.way{display:grid;grid-template-columns:repeat(auto-fit,minmax(240px,1fr));gap:12px}
.stage,.checks{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px}
.part{border-left:5px solid var(--good);padding:2px 0 2px 10px;margin-bottom:10px}.part.down{border-color:var(--bad)}
.part b,.part i{display:block;overflow-wrap:anywhere}i{font-style:normal;font-size:.9em;color:var(--good)}.down i{color:var(--bad);font-weight:600}
dl{display:grid;grid-template-columns:auto auto;justify-content:start;gap:0 10px;margin:4px 0 0;font-size:.85em}dt{color:var(--soft)}dd{margin:0}small{color:var(--soft)}
.checks dl{grid-template-columns:auto 1fr;gap:4px 14px;font-size:.9em;margin:0}.checks dd{overflow-wrap:anywhere;padding-left:1.3em;text-indent:-1.3em}.checks dd::before{content:"–";display:inline-block;width:1.3em;text-indent:0;color:var(--soft)}.checks .well::before{content:"✓";color:var(--good)}.checks .ill::before{content:"✗";color:var(--bad);font-weight:700}.checks .ill{color:var(--bad)}
@media(max-width:560px){.checks dl{grid-template-columns:1fr;gap:0}.checks dd{margin-bottom:6px}}
.hosts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:12px}
.host{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px}.host.down{border-color:var(--bad)}.host h3 i{font-weight:400}
table{width:100%;border-collapse:collapse;font-size:.85em}th{font-weight:400;color:var(--soft);text-align:left;width:4.5em;vertical-align:top;padding:3px 0}td{padding:3px 6px 3px 0;vertical-align:top}td:nth-child(2){width:8.5em;white-space:nowrap}
meter{width:4em;height:1em}.unit{display:inline-block;margin-right:8px;color:var(--soft)}
#curves{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr));gap:12px}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px;min-width:0}figcaption{font-weight:600;font-size:.9em}
.box{overflow-wrap:anywhere;min-height:150px;color:var(--soft);font-size:.85em;position:relative}.box svg{width:100%;height:130px;display:block;touch-action:pan-y}.scale{margin:0;position:absolute;right:0;top:-1.6em;font-weight:600;color:var(--text)}
.grid{stroke:var(--line);stroke-width:1}.line{fill:none;stroke:currentColor;stroke-width:1.6;stroke-linecap:round}.hair{stroke:var(--soft);stroke-dasharray:2 2}.tick{fill:var(--soft);font-size:11px;text-anchor:middle}.right{text-anchor:end}
ul{list-style:none;margin:4px 0 0;padding:0;display:flex;flex-wrap:wrap;gap:2px 12px}li{overflow-wrap:anywhere}li::before{content:"";display:inline-block;width:.8em;height:.8em;margin-right:5px;border-radius:2px;background:currentColor}li span{color:var(--text)}.value,.ended{margin-left:5px;color:var(--text)}.ended{font-weight:400;color:var(--soft)}
.c0{color:#3274d9}.c1{color:#e0752d}.c2{color:#2e9e4f}.c3{color:#a352cc}.c4{color:#c4162a}.c5{color:#1f8f9e}.c6{color:#b8860b}.c7{color:#7a828e}
`

export const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path d="M1 9h3l2-6 3 11 2-7 1 2h3" fill="none" stroke="#3274d9" stroke-width="2"/></svg>\n`
