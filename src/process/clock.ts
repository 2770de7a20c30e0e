export { every, sleep, systemClock, type Clock } from '../clock.ts';
