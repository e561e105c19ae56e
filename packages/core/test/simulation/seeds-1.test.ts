import { describeSeeds } from './check-seeds.ts'

describeSeeds(1)
