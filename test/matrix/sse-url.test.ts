import { describeTable } from './table.ts';

describeTable('SSE URL');
