export { serveFront } from "./front.js";
