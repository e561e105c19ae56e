import type { CustomTypesConfig } from 'pg'

/** How columns are read: counts and positions stay far below 2^53; every other type is as text. */
export const COLUMN_TYPES: CustomTypesConfig = {
  getTypeParser: ((oid: number) => PARSERS[oid] ?? asText) as CustomTypesConfig['getTypeParser'],
}
const asText = (text: string): unknown => text
const PARSERS: Readonly<Record<number, (text: string) => unknown>> = {
  20: Number,
  16: (text) => text === 't',
  21: Number,
  23: Number,
  26: Number,
  700: Number,
  701: Number,
  1700: Number,
  114: JSON.parse,
  3802: JSON.parse,
  1007: intArray,
  1016: intArray,
}

function intArray(text: string): number[] {
  return text === '{}' ? [] : text.slice(1, -1).split(',').map(Number)
}
