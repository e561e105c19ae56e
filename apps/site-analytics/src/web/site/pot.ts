export type PotShape = 'bowl' | 'wide' | 'jug' | 'tall' | 'jar' | 'urn'

/** Outlines in a box of 100 by 100, standing on the line at 92. */
const OUTLINES: Readonly<Record<PotShape, string>> = {
  bowl: 'M14 48 Q16 86 40 88 L40 92 L60 92 L60 88 Q84 86 86 48 Z',
  wide: 'M4 56 Q12 86 38 88 L38 92 L62 92 L62 88 Q88 86 96 56 Z',
  jug: 'M38 22 L64 18 L60 32 Q80 50 76 76 Q74 92 62 92 L38 92 Q26 92 24 76 Q22 50 40 32 Z M76 44 Q96 48 92 66 Q88 78 76 74 L76 68 Q84 70 86 62 Q88 54 76 52 Z',
  tall: 'M40 8 L64 4 L60 20 Q70 44 70 70 Q70 92 60 92 L40 92 Q30 92 30 70 Q30 44 41 20 Z M68 30 Q90 34 86 56 Q82 68 70 66 L70 60 Q78 60 80 52 Q82 42 69 38 Z',
  jar: 'M26 42 Q22 42 22 48 L22 80 Q22 92 34 92 L66 92 Q78 92 78 80 L78 48 Q78 42 74 42 Z M24 38 Q26 28 46 26 L46 20 Q46 16 50 16 Q54 16 54 20 L54 26 Q74 28 76 38 Z',
  urn: 'M36 30 Q18 40 18 58 Q18 78 36 92 L64 92 Q82 78 82 58 Q82 40 64 30 Z M34 26 Q36 18 47 17 L47 10 Q47 7 50 7 Q53 7 53 10 L53 17 Q64 18 66 26 Z',
}

/** A drawing of a pot; colours come from the style sheet. */
export function pot(shape: PotShape, glaze: string): string {
  return `<svg class="pot ${glaze}" viewBox="0 0 100 100" aria-hidden="true"><path d="${OUTLINES[shape]}"/></svg>`
}
