/**
 * The bundled demo: a small MCP server over stdio, written without an SDK. It shows what a server can do (answer,
 * report progress, ask the user, send a lot, offer a resource and a prompt) and everything it takes to do it.
 */
import { systemClock } from '../clock.ts';
import { DemoServer } from './demo-server.ts';

new DemoServer(process.stdin, process.stdout, systemClock).start();
