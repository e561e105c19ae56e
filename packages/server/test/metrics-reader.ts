/** Reads one series of `/metrics`, undefined while it is not there. `series` may have labels as they are written. */
export function createMetricsReader(url: string, series: string): () => Promise<number | undefined> {
  return async () => {
    const text = await (await fetch(`${url}/metrics`)).text()
    const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `))
    return line === undefined ? undefined : Number(line.slice(series.length + 1))
  }
}
