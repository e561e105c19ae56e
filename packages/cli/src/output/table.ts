import stringWidth from 'fast-string-width'
import { printable } from './escape.ts'
import type { Output, Style } from './output.ts'

/** A column of a table. */
export interface Column<Row> {
  readonly title: string
  readonly value: (row: Row) => string | number
  readonly align?: 'left' | 'right'
  readonly style?: (row: Row) => Style | undefined
}

const GAP = '  '
const NARROWEST = 8

/** Prints rows in aligned columns. On a terminal that is too narrow the widest columns are cut; in a pipe nothing is. */
export async function printTable<Row>(
  output: Output,
  rows: readonly Row[],
  columns: readonly Column<Row>[],
): Promise<void> {
  const cells = rows.map((row) => columns.map((column) => printable(String(column.value(row)))))
  const widths = columns.map((column, at) =>
    cells.reduce((widest, line) => Math.max(widest, stringWidth(line[at] ?? '')), stringWidth(column.title)),
  )
  if (output.width !== undefined) narrow(widths, output.width)
  const lineOf = (texts: readonly string[], style: (at: number) => Style | undefined): string =>
    texts
      .map((text, at) => {
        const last = at === texts.length - 1
        const placed = place(text, widths[at] ?? 0, columns[at]?.align ?? 'left', last)
        const wanted = style(at)
        return wanted === undefined ? placed : output.paint(wanted, placed)
      })
      .join(GAP)
      .trimEnd()
  await output.line(
    lineOf(
      columns.map((column) => column.title.toUpperCase()),
      () => 'dim',
    ),
  )
  for (const [index, row] of rows.entries()) {
    await output.line(lineOf(cells[index] ?? [], (at) => columns[at]?.style?.(row)))
  }
}

/** Cuts a text to a width in columns, with an ellipsis. */
export function cut(text: string, width: number): string {
  if (stringWidth(text) <= width) return text
  let kept = ''
  let used = 0
  for (const character of text) {
    used += stringWidth(character)
    if (used > width - 1) break
    kept += character
  }
  return `${kept}…`
}

function narrow(widths: number[], available: number): void {
  const room = available - GAP.length * (widths.length - 1)
  for (;;) {
    const total = widths.reduce((sum, width) => sum + width, 0)
    const widest = Math.max(...widths)
    if (total <= room || widest <= NARROWEST) return
    const at = widths.indexOf(widest)
    const next = Math.max(NARROWEST, ...widths.filter((_, index) => index !== at))
    widths[at] = Math.max(NARROWEST, widest - (total - room), Math.min(next, widest - 1))
  }
}

function place(text: string, width: number, align: 'left' | 'right', last: boolean): string {
  const fitted = cut(text, width)
  const padding = ' '.repeat(Math.max(0, width - stringWidth(fitted)))
  if (align === 'right') return padding + fitted
  return last ? fitted : fitted + padding
}
