import { describeTable } from './table.ts';

describeTable('modern server');
