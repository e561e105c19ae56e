/** Selects rows of dead letters; a condition over `d` (letter) and `g` (group) may follow. */
export const SELECT_DEAD_LETTER = `
  SELECT d.*, g.name AS group_name FROM dead_letters d JOIN groups g ON g.id = d.group_id`
