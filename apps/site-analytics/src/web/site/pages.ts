import { pot, type PotShape } from './pot.ts'

const BASE = '/apps/site-analytics/site'

interface Content {
  readonly title: string
  readonly body: string
}

const PIECES: readonly {
  readonly name: string
  readonly kind: string
  readonly shape: PotShape
  readonly glaze: string
  readonly price: number
}[] = [
  { name: 'Porridge bowl', kind: 'bowls', shape: 'bowl', glaze: 'oat', price: 34 },
  { name: 'Serving bowl', kind: 'bowls', shape: 'wide', glaze: 'slate', price: 68 },
  { name: 'Milk jug', kind: 'jugs', shape: 'jug', glaze: 'celadon', price: 42 },
  { name: 'Water jug', kind: 'jugs', shape: 'tall', glaze: 'slate', price: 74 },
  { name: 'Salt jar', kind: 'lidded-jars', shape: 'jar', glaze: 'rust', price: 52 },
  { name: 'Ginger jar', kind: 'lidded-jars', shape: 'urn', glaze: 'celadon', price: 118 },
]

const PAGES: Readonly<Record<string, () => Content>> = {
  '/': home,
  '/collection': () => collection('The collection'),
  '/collection/bowls': () => collection('Bowls'),
  '/collection/jugs': () => collection('Jugs'),
  '/collection/lidded-jars': () => collection('Lidded jars'),
  '/workshop': workshop,
  '/courses': courses,
  '/visit': visit,
}

/** A page of the pottery's site by its path below the site, or the page that says that there is none. */
export function sitePage(path: string): { readonly status: 200 | 404; readonly page: string } {
  const make = PAGES[path.length > 1 ? path.replace(/\/$/, '') : '/']
  if (make === undefined) return { status: 404, page: frame(missing(), '') }
  return { status: 200, page: frame(make(), path) }
}

function frame({ title, body }: Content, path: string): string {
  const link = (to: string, text: string): string =>
    `<a href="${BASE}${to}"${path === to || (to !== '/' && path.startsWith(to)) ? ' aria-current="page"' : ''}>${text}</a>`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${BASE}/site.css">
<script src="/apps/site-analytics/beacon.js" data-base="${BASE}" data-wait="2" defer></script>
<script src="${BASE}/site.js" defer></script>
</head>
<body>
<header>
<a class="name" href="${BASE}/">Aldermill Pottery</a>
<nav>${link('/collection', 'Collection')}${link('/workshop', 'Workshop')}${link('/courses', 'Courses')}${link('/visit', 'Visit')}</nav>
</header>
<main>${body}</main>
<footer>
<p>Aldermill Pottery does not exist. This site belongs to the site-analytics application of Millrace: walk around and <a href="/apps/site-analytics/">watch your visit</a>.</p>
</footer>
</body>
</html>`
}

function home(): Content {
  return {
    title: 'Aldermill Pottery',
    body: `<section class="hero"><div><h1>Stoneware, thrown by the river</h1>
<p>Two wheels, one kiln, four glazes. We make what a kitchen needs and what a table remembers.</p>
<p><a class="button" href="${BASE}/collection">See the collection</a></p></div>
<div class="still">${pot('tall', 'slate')}${pot('bowl', 'oat')}${pot('urn', 'celadon')}</div></section>
<section class="columns"><article><h2>The next firing</h2><p>The kiln is opened on the first Saturday of each month, at ten. Whoever comes first has the choice.</p><p><a href="${BASE}/visit">How to find us</a></p></article>
<article><h2>Learn to throw</h2><p>Six people, two days, and a pot that does not lean.</p><p><a href="${BASE}/courses">Courses this season</a></p></article>
<article><h2>The glaze archive</h2><p>Every recipe since the first kiln, with what went wrong.</p><p><a href="${BASE}/glaze-archive">Open the archive</a></p></article></section>`,
  }
}

function collection(title: string): Content {
  const shelf = (kind: string, text: string): string =>
    `<a data-shelf="${kind}" href="${BASE}/collection${kind === 'all' ? '' : `/${kind}`}">${text}</a>`
  const pieces = PIECES.map(
    ({ name, kind, shape, glaze, price }) =>
      `<li data-kind="${kind}">${pot(shape, glaze)}<h2>${name}</h2><p>${price} €</p></li>`,
  )
  return {
    title: `${title} · Aldermill Pottery`,
    body: `<h1>The collection</h1><nav class="shelves">${shelf('all', 'Everything')}${shelf('bowls', 'Bowls')}${shelf('jugs', 'Jugs')}${shelf('lidded-jars', 'Lidded jars')}</nav>
<ul class="pieces">${pieces.join('')}</ul>
<form data-stock><button class="button">What is in stock today?</button> <output data-answer></output></form>`,
  }
}

function workshop(): Content {
  return {
    title: 'The workshop · Aldermill Pottery',
    body: `<article class="text"><h1>The workshop</h1>
<p>The mill ground corn until the river was moved. What is left is the race, which drives nothing now but keeps the clay cool in summer, and a room with north light that is just wide enough for two wheels.</p>
<p>We dig part of our clay from the bank below the weir. It is full of iron and has a temper; mixed with a calm white clay from further south it throws well and fires to a toasted brown.</p>
<h2>Four glazes</h2><p>Oat, slate, celadon and rust. We had eleven once. Each that we gave up made the others better, and the failures are all in the <a href="${BASE}/glaze-archive">glaze archive</a>.</p>
<h2>One kiln</h2><p>It takes nine hours up and two days down. Nobody opens the door early any more.</p>
<p>On salt, which we do not use but admire: <a href="https://en.wikipedia.org/wiki/Salt_glaze_pottery">salt-glazed stoneware</a>.</p></article>`,
  }
}

function courses(): Content {
  return {
    title: 'Courses · Aldermill Pottery',
    body: `<article class="text"><h1>Courses</h1>
<table><thead><tr><th>Course</th><th>When</th><th>Places</th><th>Fee</th></tr></thead><tbody>
<tr><td>First pots</td><td>A weekend in March</td><td>2 of 6</td><td>180 €</td></tr>
<tr><td>Handles and spouts</td><td>A weekend in April</td><td>5 of 6</td><td>180 €</td></tr>
<tr><td>Glazing days</td><td>Fridays in May</td><td>4 of 4</td><td>60 €</td></tr></tbody></table>
<p>Bring an apron and short nails. Clay, firing and soup are included. <a href="${BASE}/visit">How to get here</a>.</p>
<h2>You have been here before?</h2><form data-account><label>Your name in our book <input name="account" maxlength="40" autocomplete="off"></label> <button class="button">Sign in</button> <output data-greeting></output></form></article>`,
  }
}

function visit(): Content {
  return {
    title: 'Visit · Aldermill Pottery',
    body: `<article class="text"><h1>Visit</h1>
<p>Aldermill, on the left bank, behind the second weir. Tuesday to Saturday, ten to five; on firing days until the kiln is empty.</p>
<p>By train to Aldermill Halt, then ten minutes along the water. By car, the bridge is narrower than it looks.</p>
<p><a href="https://www.openstreetmap.org/">Show it on the map</a> · <a href="https://en.wikipedia.org/wiki/Mill_race">What a mill race is</a></p>
<p><a href="${BASE}/collection">See the collection before you come</a></p></article>`,
  }
}

function missing(): Content {
  return {
    title: 'Not found · Aldermill Pottery',
    body: `<article class="text"><h1>This shelf is empty</h1><p>There is no page at this address, and the dashboard has just counted that as a failed request.</p><p><a href="${BASE}/">Back to the start</a></p></article>`,
  }
}
