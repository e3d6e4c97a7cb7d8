"""The page of a report (jinja2 template): everything inline, no script, no outside link."""

from __future__ import annotations

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ facts.name }}: quantization report</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #1b2430; max-width: 1080px; margin: 2rem auto; padding: 0 1.2rem; background: #fff }
h1 { font-size: 1.5rem; margin-bottom: .2rem }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .5rem; border-bottom: 1px solid #d6dde6 }
table { border-collapse: collapse; font-size: .85rem; width: 100% } th { text-align: left; color: #55606e; font-weight: 600 }
th, td { padding: .18rem .7rem .18rem 0; border-bottom: 1px solid #eef1f5; vertical-align: top }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums } td.n { white-space: nowrap } .note { color: #55606e; font-size: .85rem }
pre { background: #f5f7fa; padding: .6rem .8rem; overflow-x: auto; font-size: .8rem } svg { max-width: 100%; height: auto }
.wide { overflow-x: auto } .chart svg { width: 100%; min-width: 760px } li { margin: .35rem 0 } tr.bad td { background: #fbeae7 }
</style></head><body>
<h1>{{ facts.name }}</h1>
<p id="verdict">{{ verdict }}</p>
<h2>Before and after</h2>
<table id="before-after"><tr><th></th><th>float</th><th>integer</th></tr>
{% for what, before, after in facts.before_after %}<tr><td>{{ what }}</td><td>{{ before }}</td><td>{{ after }}</td></tr>
{% endfor %}</table>
<h2>The three layers that hurt most, and what to try</h2>
<ol id="worst">{% for row, cause, advice in worst %}
<li><b>{{ row.layer }}</b> ({{ row.label or row.op }}): {{ "%.1f"|format(row.isolated) }} dB by itself, mainly by {{ cause }}.
To try: {{ advice }}.</li>{% endfor %}
</ol>
<h2>Signal to noise, layer by layer</h2>
<p class="note">Alone: the layer is fed its float inputs, quantized. Within the network: with the errors of all layers before it.</p>
<div class="wide chart">{{ sqnr|safe }}</div>
<div class="wide">
<table id="layers"><tr><th>layer</th><th>operator</th><th class="n">alone, dB</th><th class="n">in the network, dB</th><th class="n">clipped</th></tr>
{% for row in facts.comparison.layers %}<tr{% if row.layer in bad %} class="bad"{% endif %}><td>{{ row.layer }}</td><td>{{ row.label or row.op }}</td>
<td class="n">{{ "%.1f"|format(row.isolated) }}</td><td class="n">{{ "%.1f"|format(row.cumulative) }}</td>
<td class="n">{{ "%.3f"|format(100 * row.clipped) }} %</td></tr>
{% endfor %}</table></div>
<h2>Where each layer's error comes from</h2>
<p class="note">Each source alone in the float layer; shares of the sum of their squared errors.</p>
<div class="wide chart">{{ splits|safe }}</div>
<h2>Values and ranges</h2>
<p class="note">Counts on a logarithmic scale; the integers reach from one red line to the other.</p>
<div class="wide chart">{{ histograms|safe }}</div>
<h2>The network</h2>
<div class="wide">{{ network|safe }}</div>
<h2>Proof that nothing overflows</h2>
<p class="note">For every output channel, the extreme values of the accumulator over all possible inputs, computed from the constants.
All lie below the limit.</p>
<div class="wide">
<table id="bounds"><tr><th>node</th><th class="n">channels</th><th class="n">lowest</th><th class="n">highest</th><th class="n">of the limit</th></tr>
{% for node, channels, low, high, used in facts.bounds %}<tr><td>{{ node }}</td><td class="n">{{ channels }}</td>
<td class="n">{{ "{:,}".format(low) }}</td><td class="n">{{ "{:,}".format(high) }}</td><td class="n">{{ "%.2g"|format(100 * used) }} %</td></tr>
{% endfor %}</table></div>
<h2>Recipe</h2>
<pre id="recipe">{{ recipe }}</pre>
</body></html>
"""
