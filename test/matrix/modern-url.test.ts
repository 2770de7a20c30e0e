import { describeTable } from './table.ts';

describeTable('2026-07-28 URL');
