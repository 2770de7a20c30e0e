import { describeTable } from './table.ts';

describeTable('Streamable HTTP URL');
