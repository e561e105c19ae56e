import { PrismaPg } from '@prisma/adapter-pg'
import { getPrismaClient } from '@prisma/client/runtime/client'
import { Buffer } from 'node:buffer'

/** Modules without types. */
const COMPILER: string = '@prisma/client/runtime/query_compiler_fast_bg.postgresql.mjs'
const COMPILER_BYTES: string = '@prisma/client/runtime/query_compiler_fast_bg.postgresql.wasm-base64.mjs'

/** What the tests use of a client. */
export interface RawPrisma {
  $transaction<Result>(work: (tx: RawPrisma) => Promise<Result>): Promise<Result>
  $executeRawUnsafe(text: string, ...values: unknown[]): Promise<number>
  $disconnect(): Promise<void>
}

/**
 * A Prisma client without models, over the real runtime and the adapter of `pg`: what `prisma generate` writes, which first wants to
 * download a program that is of no use here.
 */
export function prismaClient(connectionString: string): RawPrisma {
  const client = getPrismaClient({
    previewFeatures: [],
    clientVersion: '7.10.0',
    engineVersion: '0edf323efd1d98336f3f0a68684b56f689b900d3',
    activeProvider: 'postgresql',
    inlineSchema: 'datasource db {\n  provider = "postgresql"\n}\n',
    runtimeDataModel: { models: {}, enums: {}, types: {} },
    parameterizationSchema: { strings: [], graph: 'AAAA' },
    compilerWasm: {
      getRuntime: async () => (await import(COMPILER)) as never,
      async getQueryCompilerWasmModule() {
        const { wasm } = (await import(COMPILER_BYTES)) as { readonly wasm: string }
        return new WebAssembly.Module(Buffer.from(wasm, 'base64'))
      },
      importName: './query_compiler_fast_bg.js',
    },
  } as never) as unknown as new (options: { readonly adapter: PrismaPg }) => RawPrisma
  return new client({ adapter: new PrismaPg({ connectionString }) })
}
