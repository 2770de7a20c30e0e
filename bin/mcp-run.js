#!/usr/bin/env node
import { main } from '../dist/bundle/main.cjs';

process.exitCode = await main();
