import { describeTable } from './table.ts';

describeTable('legacy server');
