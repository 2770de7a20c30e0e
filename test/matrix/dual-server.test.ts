import { describeTable } from './table.ts';

describeTable('dual server');
