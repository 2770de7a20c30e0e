import { describeTable } from './table.ts';

describeTable('URL of another mcp-run');
