/** Selects rows of dead letters; a condition over `d` (letter) and `g` (group) may follow. */
export const SELECT_DEAD_LETTER: string = `
  SELECT d.*, g.name AS group_name FROM $S.dead_letters d JOIN $S.groups g ON g.id = d.group_id`
