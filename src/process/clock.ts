export { sleep, systemClock, type Clock } from '../clock.ts';
